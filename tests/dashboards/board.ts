// What a file of dashboards/grafana has to be: Grafana's own types, closed, so that a key Grafana
// does not know and a value it does not take are errors of tsc. Only the kinds of panel that the
// generator writes are let in. Compiled by check.mjs against each schema named there.

import type {
  DataQuery, FieldConfig, OptionsWithLegend, OptionsWithTooltip, GraphFieldConfig,
  SingleStatBaseOptions, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode,
  BigValueTextMode, PercentChangeColorMode, TableCellHeight, TableFieldOptions,
  TableSortByFieldState, Dashboard, Panel as AnyPanel, RowPanel, VariableModel,
} from '@grafana/schema';

/** As it stands in JSON: a member of an enum is its value. */
type Json<T> = unknown extends T ? T
  : T extends string ? `${T}`
  : T extends number ? (number extends T ? T : T extends infer N extends number ? N : never)
  : T extends readonly (infer E)[] ? Json<E>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;

type Source = { type: 'prometheus'; uid: '${datasource}' };
type GridPos = { x: number; y: number; w: number; h: number };

interface Query extends Pick<DataQuery, 'refId' | 'hide'> {
  datasource: Source;
  expr: string;
  legendFormat: string;
  editorMode: 'code' | 'builder';
  range: boolean;
  instant: boolean;
  format: 'time_series' | 'table' | 'heatmap';
}

/** The fields that Grafana knows, with `custom` of this kind of panel and none beside it. */
type Fields<Custom> = {
  defaults: Omit<FieldConfig, 'custom' | 'unit'> & { unit: string; custom?: Partial<Custom> };
  overrides: {
    matcher: { id: 'byName' | 'byRegexp' | 'byFrameRefID' | 'byType'; options: string };
    properties: { id: keyof FieldConfig | `custom.${keyof Custom & string}`; value: unknown }[];
  }[];
};

type Organize = {
  id: 'organize';
  options: {
    excludeByName: Record<string, boolean>;
    indexByName: Record<string, number>;
    renameByName: Record<string, string>;
  };
};

interface Panel<Type extends string, Options, Custom> extends Omit<
  AnyPanel,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource' | 'gridPos' | 'transformations'
> {
  type: Type;
  id: number;
  title: string;
  description: string;
  datasource: Source;
  gridPos: GridPos;
  options: Options;
  fieldConfig: Fields<Custom>;
  targets: [Query, ...Query[]];
  transformations?: Organize[];
}

type Lines = Panel<'timeseries', OptionsWithLegend & OptionsWithTooltip, GraphFieldConfig>;

interface StatOptions extends SingleStatBaseOptions {
  colorMode: BigValueColorMode;
  graphMode: BigValueGraphMode;
  justifyMode: BigValueJustifyMode;
  textMode: BigValueTextMode;
  percentChangeColorMode: PercentChangeColorMode;
  showPercentChange: boolean;
  wideLayout: boolean;
}
type Stat = Panel<'stat', StatOptions, Record<never, never>>;

interface TableOptions {
  cellHeight?: TableCellHeight;
  frameIndex: number;
  showHeader: boolean;
  sortBy?: TableSortByFieldState[];
}
type Table = Panel<'table', TableOptions, TableFieldOptions>;

interface Row extends Omit<RowPanel, 'panels' | 'gridPos'> {
  gridPos: GridPos;
  title: string;
  panels: never[];
}

type Closed = Omit<Dashboard, 'panels' | 'templating' | 'id' | 'editable' | 'uid' | 'title'> & {
  id: null;
  uid: string;
  title: string;
  editable: false;
  panels: (Lines | Stat | Table | Row)[];
  templating: { list: Omit<VariableModel, never>[] };
};

export type Board = Json<Closed>;
